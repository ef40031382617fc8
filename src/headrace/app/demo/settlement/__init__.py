"""The settlement demo: payers, jobs of every kind, a claim run, and books that must balance.

contracts   token, escrow and fee on the chain      payers      who deposit and authorise
sending     plain transactions, many at once        one_by_one  what single claims cost, measured beside it
cast        which job does what, and how it ends    rest        the gateway's /v1, as a client sees it
stage       processes and settings                  acts        what happens, in order
outside     an engine elsewhere, and two tricksters judging     the gateway's word against the chain's
shape       the report's section                    table       the same for people
"""
