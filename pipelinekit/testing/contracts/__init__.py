"""One suite for each port. A test class derives from a suite and says how the implementation is made."""
