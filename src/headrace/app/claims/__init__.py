"""Many jobs of many payers whose payments are due at once: brought there, claimed, and looked at from outside.

stage    chain, one escrow, payers, a gateway      due        jobs over REST, up to where payment is due
run      all of it, in order                       pool_watch what the lane offers to the chain, and when
found    what the chain shows of it                planning   what a claim run's decisions cost, without chain
"""
