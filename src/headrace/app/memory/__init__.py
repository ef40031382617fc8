"""Watches the memory of a gateway and its operators while a load goes on, and what is left of it afterwards.

Owns      what *growth* means (`growth`), when it is looked at (`run`).
Promises  what is left is counted when nothing is under way, before and after, so that like is held against like.
Leaves    the counts to the gateway (`app.held`), the load to `app.load_run`.
"""
