"""All that can be asked of `/v1`: the table from which routes and OpenAPI are made."""

from collections.abc import Sequence
from typing import Final

from headrace.api.rest.endpoint import Answer, Endpoint
from headrace.api.rest.job_forms import JobForm, JobsForm, ResultsForm, StoppedForm
from headrace.api.rest.jobs import Jobs
from headrace.api.rest.problems import Kind
from headrace.api.rest.request_forms import EmptyForm, EventForm, JobsQuery, RunsQuery, StartForm
from headrace.api.rest.services import JobServices
from headrace.api.rest.settlement import SettlementDoor
from headrace.api.rest.settlement_forms import ClaimRunsForm, EnvironmentsForm, RunAskedForm, SettlementForm
from headrace.core.ports import Clock

_JOB: Final = {"id": "The job's id."}
_REFUSED: Final = (Kind.FIX_THE_REQUEST,)
_OF_A_JOB: Final = (Kind.UNKNOWN,)


def endpoints(services: JobServices, clock: Clock) -> Sequence[Endpoint]:
    jobs = Jobs(services, clock)
    settlement = SettlementDoor(services, jobs, clock)
    return (
        Endpoint(
            name="startJob",
            method="POST",
            path="/v1/jobs",
            summary="Start a job. A paid one begins when its lock is on chain.",
            work=jobs.start,
            body=StartForm,
            answers={
                201: Answer("The job is stored; the same also where this very request made it before.", JobForm)
            },
            problems=(*_REFUSED, Kind.OTHER_CONTENT),
        ),
        Endpoint(
            name="listJobs",
            method="GET",
            path="/v1/jobs",
            summary="List jobs, newest first.",
            work=jobs.list,
            query=JobsQuery,
            answers={200: Answer("A page.", JobsForm)},
            problems=_REFUSED,
        ),
        Endpoint(
            name="getJob",
            method="GET",
            path="/v1/jobs/{id}",
            summary="Show a job.",
            work=jobs.show,
            parameters=_JOB,
            answers={200: Answer("The job as it is now.", JobForm)},
            problems=_OF_A_JOB,
        ),
        Endpoint(
            name="reportEvent",
            method="POST",
            path="/v1/jobs/{id}/events",
            summary="A compute engine reports a job's status.",
            work=jobs.report,
            parameters=_JOB,
            body=EventForm,
            answers={200: Answer("The job after it. stop_requested_at tells that it should be stopped.", JobForm)},
            problems=(*_OF_A_JOB, *_REFUSED, Kind.OTHER_CONTENT),
        ),
        Endpoint(
            name="stopJob",
            method="POST",
            path="/v1/jobs/{id}/stop",
            summary="Ask for a job to be stopped.",
            work=jobs.stop,
            parameters=_JOB,
            body=EmptyForm,
            answers={202: Answer("Noted, unless its run is over: `stop` says which.", StoppedForm)},
            problems=_OF_A_JOB,
        ),
        Endpoint(
            name="getSettlement",
            method="GET",
            path="/v1/jobs/{id}/settlement",
            summary="Show how a job is paid for: lock, bill, transactions, history, and what happens next.",
            work=settlement.story,
            parameters=_JOB,
            answers={200: Answer("Its payment as it is now.", SettlementForm)},
            problems=_OF_A_JOB,
        ),
        Endpoint(
            name="listResults",
            method="GET",
            path="/v1/jobs/{id}/results",
            summary="List what a run left: logs and outputs, where this gateway's own compute engine ran it.",
            work=jobs.results,
            parameters=_JOB,
            answers={200: Answer("Its files.", ResultsForm)},
            problems=_OF_A_JOB,
        ),
        Endpoint(
            name="getResult",
            method="GET",
            path="/v1/jobs/{id}/results/{index}",
            summary="Download one file.",
            work=jobs.result,
            parameters={**_JOB, "index": "As in the list of results."},
            answers={200: Answer("Its bytes.", None)},
            problems=_OF_A_JOB,
        ),
        Endpoint(
            name="claimNow",
            method="POST",
            path="/v1/settlement/runs",
            summary="Begin a claim run now, unless one goes on.",
            work=settlement.settle_now,
            body=EmptyForm,
            answers={202: Answer("The run; `begun` false: it was going on already.", RunAskedForm)},
        ),
        Endpoint(
            name="listClaimRuns",
            method="GET",
            path="/v1/settlement/runs",
            summary="List claim runs, newest first: what each did, and what stood in its way.",
            work=settlement.runs,
            query=RunsQuery,
            answers={200: Answer("A page.", ClaimRunsForm)},
        ),
        Endpoint(
            name="listEnvironments",
            method="GET",
            path="/v1/environments",
            summary="What is offered at what price, and whom a payer authorises.",
            work=settlement.environments,
            answers={200: Answer("All of it.", EnvironmentsForm)},
        ),
    )
