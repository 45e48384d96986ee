"""
Structured logs on standard error. Prompts, answers, keys and query strings are never given to a logger.
"""

import logging
import sys
from typing import Literal

import structlog


def configure_logs(level: str, log_format: Literal["auto", "console", "json"]) -> None:
    """
    Set up structlog, and the standard library's loggers of uvicorn and websockets behind the same format.

    Args:
        level: the least severe level that is printed.
        log_format: `auto` means console where standard error is a terminal, else JSON.
    """
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries speak up from "warning": uvicorn logs WebSocket URLs with their query strings at "info".
    root.setLevel(max(number, logging.WARNING))
