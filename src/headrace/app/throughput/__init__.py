"""Finds the highest rate of tasks that a deployment sustains, and names what binds it.

Owns      what *sustained* means (`step`), which rate is next (`search`), what a resource's share is (`shares`).
Promises  a rate counts only after it was offered and held; nothing is extrapolated.
Leaves    the load to `app.load_run`, the processes to `app.demo`.
"""
