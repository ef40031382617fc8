"""Chaos on a real chain: every kind of trouble at once, and a gateway that is killed again and again.

Owns      the troubles of nodes and chain, the kills, what the client heard, and the judgement at the end.
Promises  judged by the chain's logs and the client's own journals alone; the gateway's store is never opened; a
          trouble counts when it was done, not when it was planned.
Leaves    chain, operators and gateway to `app.demo`, the load to `app.load_run`, the claim to `bench/chaos.py`.
"""
