"""Tables as pure functions of run records."""
