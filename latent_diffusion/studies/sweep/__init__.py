"""Which sampling settings are best for a run: search tries, store keeps, show tells."""
