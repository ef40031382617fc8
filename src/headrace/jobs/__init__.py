"""Compute jobs: how they are started, what is reported of them, what they cost, and when they are settled.

Promises  decides only: its one door to the outside is `core.ports.JobStore`, and time is handed in.
Leaves    running a job to a compute engine, sending a payment claim to the engine, reading locks to whoever asks.
"""
