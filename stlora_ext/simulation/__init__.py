"""Road traffic from a law: a network, demand, propagation, incidents, missing readings."""
