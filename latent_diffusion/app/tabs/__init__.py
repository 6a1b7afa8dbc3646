"""The tabs of the app, one a file: what a person sets, and what is done with it."""
