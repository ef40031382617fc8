"""The load test that this gateway began with, against the one-at-a-time submitter and against ours, at once.

Owns      what is the same on both sides (chain, windows, load, seed) and what differs (the submitter).
Promises  each side has a chain, operators and a gateway of its own; both loads begin together.
Leaves    the processes to `app.demo`, the load to `app.load_run`, the claim to `bench/source_load.py`.
"""
