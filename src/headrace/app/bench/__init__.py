"""The frame around the measured claims: each is one module of the folder `bench/` in a checkout.

Owns      what such a module declares, how it is found and run, the form of what it found, on paper and as JSON.
Promises  a claim holds only if every check of its holds; where a figure comes from (machine, commit, seed) is
          written beside it.
Leaves    measuring to the modules, and what they measure with to `app.load_run`, `app.demo` and `app.chaos`.
"""
