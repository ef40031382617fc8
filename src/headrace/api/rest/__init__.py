"""`/v1`: compute jobs and their settlement over REST; `/openapi.json` and `/docs` say what there is.

Owns      the forms of requests and answers, from which routes, checks and documentation are all made.
Leaves    what a request means to `core.ports.settling`, `core.ports.compute` and `jobs.life`.
"""
