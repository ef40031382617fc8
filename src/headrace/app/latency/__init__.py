"""Compares policies of when to flush: how soon a task is on chain, and what that takes.

Owns      the ways that are compared (`ways`), which of them run side by side (`run`), the parts of an operation's
          way (`parts`).
Promises  every way has a chain, operators and a gateway of its own; settings differ in what is compared only.
Leaves    the load to `app.load_run`, the processes to `app.demo`.
"""
