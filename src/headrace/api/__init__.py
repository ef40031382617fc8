"""Listens. JSON-RPC, REST and WebSocket for clients; hex and JSON end here."""

from headrace.api.gateway import gateway_app
from headrace.api.rest.services import JobServices
from headrace.api.server import GatewayServer
from headrace.api.services import LaneReport, Limits, Services
from headrace.api.tasks_acceptor import TasksAcceptor
from headrace.api.topics import Topics

__all__ = [
    "GatewayServer",
    "JobServices",
    "LaneReport",
    "Limits",
    "Services",
    "TasksAcceptor",
    "Topics",
    "gateway_app",
]
