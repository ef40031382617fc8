"""The load client: offers tasks to a gateway, notes every answer, and sees with `chain_watch` what became of them.

Owns      schedules, tasks made up for the purpose, requests and their journal, the moment a run is over.
Promises  latency counts from the scheduled moment, so that a gateway that stalls cannot hide behind our waiting;
          a request that is sent again keeps its operation id.
Leaves    arithmetic to `app.report`.
"""
