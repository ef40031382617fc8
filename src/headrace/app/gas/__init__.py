"""What one operation costs on chain: in batches of each size, alone, and by a plain `aggregate3`.

Owns      the experiments (`tasks`, `escrow`) on a chain of their own (`stage`), the figures and their tables.
Promises  gas is that of mined transactions whose effects were seen; nothing is estimated.
Leaves    what must hold to `bench/gas.py`, the gas that a gateway plans with to `core.gas`.
"""
