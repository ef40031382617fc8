"""A load run as one page of HTML: charts, the report's tables, how to repeat it.

Owns      what is drawn, and with how many points.
Promises  the page is one file that fetches nothing, and says so to the browser; what it draws and what the report
          counts are the same; all text is escaped; its size is bounded whatever the load was.
Leaves    the numbers to `app.report`, drawing to plotly, which is needed only here (`headrace[load]`).
"""
