"""One HTML page that gathers a run, and one that sets runs side by side."""
