"""What poison in the batches of a load does to its neighbours, side by side with a clean load.

Owns      the legs of a run, clean and poisoned in turn, and what is held against what.
Promises  delays and throughput come from the client's journal and the chain alone; the gateway is asked only how
          operations ended and when it sealed them.
"""
