"""How many operations a gateway on one core takes in, and how soon it says yes.

Owns      the stage with a core for the gateway alone, the senders, and the look into the store afterwards.
Promises  what is counted as acknowledged was answered as it must be, byte for byte; whether it is there is read
          from the store's file, not asked of the gateway.
"""
