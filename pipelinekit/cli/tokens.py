"""`pipelinekit tokens`: create, list, revoke, audit. The text of a token is shown once, when it is made."""

from __future__ import annotations

import argparse
import sys

from pipelinekit.bootstrap import Services
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.servers import open_services
from pipelinekit.cli.verbs import Verb, add_verbs
from pipelinekit.domain.audit import AuditRecord
from pipelinekit.domain.texts import counted
from pipelinekit.domain.tokens import EXPIRY_SECONDS, Kind, Role, Token
from pipelinekit.errors import NotFoundError, UsageError
from pipelinekit.wire.tokens import audit_document, new_token_document, token_document

ROWS = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `tokens`."""
    add_verbs(parser, VERBS)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    return VERBS[arguments.verb][2](arguments, open_services(create=arguments.verb == "create"))


def _create_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = [kind.value for kind in Kind if kind is not Kind.BOOTSTRAP]
    parser.add_argument("name", metavar="NAME", help="whose it is; the audit log names it so")
    parser.add_argument("--role", choices=[role.value for role in Role], help="what it may do; reader")
    parser.add_argument("--kind", choices=kinds, help="who holds it; trigger with --endpoint, else user")
    parser.add_argument(
        "--endpoint", default="", metavar="NAME", help="the pipeline endpoint that a trigger may call, and nothing else"
    )
    parser.add_argument(
        "--expires", default=EXPIRY_SECONDS, metavar="DURATION", help="after which it ends: 12h, 90d; 90d"
    )


def _create(arguments: argparse.Namespace, services: Services) -> int:
    made = services.tokens.create(
        arguments.name,
        role=arguments.role,
        kind=arguments.kind,
        endpoint=arguments.endpoint,
        expires=arguments.expires,
    )
    if arguments.json:
        print_json(new_token_document(made, services.clock.now()))
        return 0
    until = f"until {time_text(made.token.expires_at)}"
    print(f"token {made.token.name} is created, {_what(made.token)}, {until}; it is shown this once:", file=sys.stderr)
    print(made.text)  # alone on standard output, so that it can be piped to where it is kept
    if made.token.kind is Kind.TRIGGER:
        try:
            services.pipeline_endpoints.get(made.token.endpoint)
        except NotFoundError as error:
            print(f"note: {error.message} yet; {error.hint}", file=sys.stderr)
    return 0


def _what(token: Token) -> str:
    if token.kind is Kind.TRIGGER:
        return f"to call the pipeline endpoint {token.endpoint}"
    return f"with the role {token.role.value}"


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="those that expired or were revoked, too")


def _list(arguments: argparse.Namespace, services: Services) -> int:
    now = services.clock.now()
    found = services.tokens.list(all=arguments.all)
    if arguments.json:
        print_json({"tokens": [token_document(token, now) for token in found]})
        return 0
    rows = [
        (
            token.name,
            token.id,
            token.kind.value,
            token.endpoint if token.kind is Kind.TRIGGER else token.role.value,
            token.standing(now),
            time_text(token.expires_at),
            time_text(token.last_used),
            token.created_by or "-",
        )
        for token in found
    ]
    header = ("token", "id", "kind", "role or endpoint", "is", "expires", "last used", "by")
    print(table(rows, header) if rows else "no tokens")
    return 0


def _revoke_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("token", metavar="TOKEN", help="its name or id")


def _revoke(arguments: argparse.Namespace, services: Services) -> int:
    ended = services.tokens.revoke(arguments.token)
    if arguments.json:
        print_json(token_document(ended, services.clock.now()))
    else:
        print(f"token {ended.name} ({ended.id}) is revoked, and opens nothing from now on")
    return 0


def _audit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=ROWS, metavar="N", help=f"so many rows, the newest; {ROWS}")
    parser.add_argument("--before", type=int, metavar="NUMBER", help="only rows before this one")
    parser.add_argument("--verify", action="store_true", help="look whether a row was changed or taken out")
    parser.add_argument(
        "--known",
        default="",
        metavar="DIGEST",
        help="with --verify: of a row that was there before, as noted elsewhere",
    )


def _audit(arguments: argparse.Namespace, services: Services) -> int:
    if arguments.verify:
        return _verify(arguments, services)
    if arguments.known:
        raise UsageError("--known says what to look for with --verify", hint="give --verify as well")
    found = services.audit.list(arguments.limit, arguments.before)
    if arguments.json:
        print_json({"rows": [audit_document(record) for record in found]})
        return 0
    header = ("row", "time", "who", "from", "did", "to", "outcome")
    print(table([_row(record) for record in found], header) if found else "no rows")
    return 0


def _row(record: AuditRecord) -> tuple[str, ...]:
    event = record.event
    return (
        str(record.number),
        time_text(record.at),
        event.origin.actor or (f"token {event.origin.token}" if event.origin.token else "-"),
        event.origin.source or "-",
        event.action,
        event.object or "-",
        event.outcome + (f": {event.reason}" if event.reason else ""),
    )


def _verify(arguments: argparse.Namespace, services: Services) -> int:
    found = services.audit.verify(arguments.known)
    if arguments.json:
        print_json({"rows": found.rows, "newest": found.newest, "faults": list(found.faults)})
    elif found.faults:
        print("\n".join(found.faults))
        print(f"the audit log ({counted(found.rows, 'row')}) was changed by somebody who may write to the records")
    else:
        print(f"the audit log is whole: {counted(found.rows, 'row')}, the newest {found.newest or '-'}")
    return 1 if found.faults else 0


VERBS: dict[str, Verb] = {
    "create": ("make a token; its text is shown once", _create_arguments, _create),
    "list": ("the tokens that are live, and what each may do", _list_arguments, _list),
    "revoke": ("let a token open nothing from now on", _revoke_arguments, _revoke),
    "audit": ("who did what, the newest first; --verify looks whether the log is whole", _audit_arguments, _audit),
}
