"""The demo: a real chain, contracts, operators, gateway and load on one machine, and a report of what happened."""
