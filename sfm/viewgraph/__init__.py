"""Which image sees which, as a networkx graph."""
