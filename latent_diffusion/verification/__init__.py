"""Proof of a run on the machine at hand: `ldm verify` calls `verify` in checks.py."""
