"""Log lines: text for people, JSON for machines; always on standard error."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import msgspec

from app.settings import Settings

__all__ = ["FIELDS", "configure"]

FIELDS = "tablecast_fields"
"""Name of a record's attribute with more members for its line: ``extra={FIELDS: {...}}``."""


def configure(settings: Settings) -> None:
    """Set up the loggers of the service and its server, leaving those of others alone."""
    as_text = sys.stderr.isatty() if settings.log_format == "auto" else settings.log_format == "text"
    handler = logging.StreamHandler()
    handler.setFormatter(_Text() if as_text else _Json())
    for name in ("app", "converters", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(settings.log_level.upper())


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{key}={_on_one_line(value)}" for key, value in getattr(record, FIELDS, {}).items())
        text = f"{time} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _on_one_line(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else repr(text)
