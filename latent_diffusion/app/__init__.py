"""`ldm app`: a page in the browser that draws from a run."""
