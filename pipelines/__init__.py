"""The order of the work: each pipeline chains stages of the library."""
