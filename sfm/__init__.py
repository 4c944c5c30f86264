"""Structure from Motion with learned patch descriptors."""
