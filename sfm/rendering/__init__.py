"""A procedural street and the views of it: a scene whose truth is known."""
