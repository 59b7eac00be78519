"""`pipelinekit webhooks`: addresses that are told of what happens. A signing secret is shown once, when it is made."""

from __future__ import annotations

import argparse
import sys
import time

from pipelinekit.bootstrap import Services
from pipelinekit.cli.output import print_json, table, time_text
from pipelinekit.cli.servers import open_services
from pipelinekit.cli.verbs import Verb, add_verbs
from pipelinekit.domain.webhooks import CHOICES, Delivery, NewWebhook, Webhook
from pipelinekit.wire.webhooks import (
    delivery_document,
    history_document,
    host_document,
    new_webhook_document,
    webhook_document,
)

SHOWN = 50
MAKING = ("create", "allow")  # verbs that may be the first thing done in a workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `webhooks`."""
    add_verbs(parser, VERBS)


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    return VERBS[arguments.verb][2](arguments, open_services(create=arguments.verb in MAKING))


def _create_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what it is called")
    parser.add_argument("url", metavar="URL", help="https://HOST/PATH; or any on a host that is allowed")
    parser.add_argument(
        "--on",
        action="append",
        default=[],
        metavar="EVENT",
        help=f"{', '.join(CHOICES)}; may be repeated; without it, how runs end",
    )
    parser.add_argument("--endpoint", default="", metavar="NAME", help="only what belongs to this pipeline endpoint")
    parser.add_argument("--schedule", default="", metavar="NAME", help="only what belongs to this schedule")
    parser.add_argument("--experiment", default="", metavar="NAME", help="only what belongs to this experiment")


def _create(arguments: argparse.Namespace, services: Services) -> int:
    made = services.webhooks.create(
        arguments.name,
        arguments.url,
        on=arguments.on,
        endpoint=arguments.endpoint,
        schedule=arguments.schedule,
        experiment=arguments.experiment,
    )
    return _show_new(arguments, services, made, "is created; its signing secret is shown this once:")


def _update_arguments(parser: argparse.ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("--url", metavar="URL", help="its address; what is still to be sent goes there, too")
    parser.add_argument("--on", action="append", metavar="EVENT", help="what it is told of, instead; may be repeated")
    parser.add_argument("--endpoint", metavar="NAME", help="only what belongs to this pipeline endpoint; '' for any")
    parser.add_argument("--schedule", metavar="NAME", help="only what belongs to this schedule; '' for any")
    parser.add_argument("--experiment", metavar="NAME", help="only what belongs to this experiment; '' for any")


def _update(arguments: argparse.Namespace, services: Services) -> int:
    changed = services.webhooks.update(
        arguments.name,
        url=arguments.url,
        on=arguments.on,
        endpoint=arguments.endpoint,
        schedule=arguments.schedule,
        experiment=arguments.experiment,
    )
    return _show_changed(arguments, changed, f"is told of {', '.join(changed.events)}, of {_limits(changed)}")


def _rotate_arguments(parser: argparse.ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("--at-once", action="store_true", help="the secret before signs no more; for a day it does")


def _rotate_secret(arguments: argparse.Namespace, services: Services) -> int:
    made = services.webhooks.rotate_secret(arguments.name, at_once=arguments.at_once)
    also = f" (until {time_text(made.webhook.previous_until)} with the one before, too)"
    words = f"signs with another secret{also if made.webhook.previous_until else ''}, which is shown this once:"
    return _show_new(arguments, services, made, words)


def _redeliver_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("delivery", metavar="DELIVERY", help="the id of the message")


def _redeliver(arguments: argparse.Namespace, services: Services) -> int:
    found = services.webhooks.redeliver(arguments.delivery)
    if arguments.json:
        print_json(delivery_document(found))
        return 0
    print(f"message {found.id} is sent once more")
    _note_unsent(services)
    return 0


def _show_new(arguments: argparse.Namespace, services: Services, made: NewWebhook, words: str) -> int:
    if arguments.json:
        print_json(new_webhook_document(made))
        return 0
    print(f"webhook {made.webhook.name} {words}", file=sys.stderr)
    print(made.secret)  # alone on standard output, so that it can be piped to where it is kept
    _note_unsent(services)
    return 0


def _note_unsent(services: Services) -> None:
    if not services.servers.alive():
        print("note: no server is running; 'pipelinekit serve' sends what webhooks are told", file=sys.stderr)


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="WEBHOOK", help="its name or id")


def _list(arguments: argparse.Namespace, services: Services) -> int:
    found = services.webhooks.list()
    if arguments.json:
        print_json({"webhooks": [webhook_document(item) for item in found]})
        return 0
    rows = [(item.name, str(item.state), item.url, ", ".join(item.events), _limits(item)) for item in found]
    print(table(rows, ("webhook", "is", "address", "told of", "of")) if rows else "no webhooks")
    if rows:
        _note_unsent(services)
    return 0


def _limits(webhook: Webhook) -> str:
    return ", ".join(f"{noun} {name}" for noun, name in webhook.names.items()) or "everything"


def _show(arguments: argparse.Namespace, services: Services) -> int:
    found = services.webhooks.get(arguments.name)
    if arguments.json:
        print_json(webhook_document(found))
        return 0
    rows = [
        ("webhook", f"{found.name} ({found.id})"),
        ("address", found.url),
        ("is", str(found.state) + (f": {found.trouble}" if found.trouble else "")),
        ("told of", ", ".join(found.events)),
        ("of", _limits(found)),
        ("secret", _secret(found)),
        ("created", f"{time_text(found.created_at)} by {found.created_by or '-'}"),
    ]
    print(table(rows))
    return 0


def _secret(webhook: Webhook) -> str:
    until = webhook.previous_until
    also = f", and the one before until {time_text(until)}" if until > time.time() else ""
    return f"version {webhook.secret_version}{also}"


def _deliveries_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="WEBHOOK", help="its name or id; call-backs without it")
    parser.add_argument("--limit", type=int, default=SHOWN, metavar="N", help=f"so many, the newest; {SHOWN}")


def _deliveries(arguments: argparse.Namespace, services: Services) -> int:
    found = services.webhooks.deliveries(arguments.name, arguments.limit)
    if arguments.json:
        print_json(history_document(arguments.name, found))
        return 0
    header = ("delivery", "event", "run", "is", "tries", "answer", "created", "next try")
    print(table([_row(item) for item in found], header) if found else "nothing was told")
    if any(not item.state.final for item in found):
        _note_unsent(services)
    return 0


def _row(item: Delivery) -> tuple[str, ...]:
    return (
        item.id,
        str(item.event),
        item.run or "-",
        str(item.state),
        str(item.tries),
        _answer(item),
        time_text(item.created_at),
        "-" if item.state.final or not item.next_at else time_text(item.next_at),
    )


def _answer(item: Delivery) -> str:
    return " ".join(filter(None, (str(item.status) if item.status else "", item.answer))) or "-"


def _test(arguments: argparse.Namespace, services: Services) -> int:
    done, answer = services.webhooks.test(arguments.name)
    if arguments.json:
        print_json({**delivery_document(done), "seconds": round(answer.seconds, 3)})
    elif answer.good:
        print(f"it arrived: {_answer(done)}, after {answer.seconds:.2f} s")
    else:
        print(f"it did not arrive: {_answer(done)}")
    return 0 if answer.good else 1


def _enable(arguments: argparse.Namespace, services: Services) -> int:
    return _show_changed(arguments, services.webhooks.enable(arguments.name), "is told of what happens from now on")


def _disable(arguments: argparse.Namespace, services: Services) -> int:
    return _show_changed(arguments, services.webhooks.disable(arguments.name), "is told nothing from now on")


def _show_changed(arguments: argparse.Namespace, webhook: Webhook, words: str) -> int:
    if arguments.json:
        print_json(webhook_document(webhook))
    else:
        print(f"webhook {webhook.name} {words}")
    return 0


def _delete(arguments: argparse.Namespace, services: Services) -> int:
    found = services.webhooks.get(arguments.name)
    services.webhooks.delete(found.id)
    if arguments.json:
        print_json({"deleted": found.name})
    else:
        print(f"webhook {found.name} is deleted")
    return 0


def _host(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST[:PORT]", help="without a port, those of http and https")


def _allow(arguments: argparse.Namespace, services: Services) -> int:
    found = services.webhooks.allow(arguments.host)
    if arguments.json:
        print_json(host_document(found))
    else:
        print(f"{found.name} may be told of what happens, by http and https, whatever its address is")
    return 0


def _disallow(arguments: argparse.Namespace, services: Services) -> int:
    found = services.webhooks.disallow(arguments.host)
    if arguments.json:
        print_json({"disallowed": found.name})
    else:
        print(f"{found.name} is a host like any other again")
    return 0


def _hosts(arguments: argparse.Namespace, services: Services) -> int:
    found = services.webhooks.hosts()
    if arguments.json:
        print_json({"hosts": [host_document(item) for item in found]})
        return 0
    rows = [(item.name, time_text(item.added_at), item.added_by or "-") for item in found]
    print(table(rows, ("host", "allowed", "by")) if rows else "no hosts are allowed")
    return 0


def _nothing(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


VERBS: dict[str, Verb] = {
    "create": ("have an address told of events; its signing secret is shown once", _create_arguments, _create),
    "list": ("the webhooks, and what each is told", _nothing, _list),
    "show": ("one of them", _named, _show),
    "deliveries": ("what one was told and how it answered, the newest first", _deliveries_arguments, _deliveries),
    "test": ("send a test event now, and say how it was answered", _named, _test),
    "enable": ("have it told of what happens from now on", _named, _enable),
    "disable": ("tell it nothing from now on, nor what is still to be sent", _named, _disable),
    "update": ("change its address, and what it is told of", _update_arguments, _update),
    "rotate-secret": ("sign with another secret, which is shown once", _rotate_arguments, _rotate_secret),
    "redeliver": ("have a message sent once more that has ended", _redeliver_arguments, _redeliver),
    "delete": ("tell it nothing any more, and free its name", _named, _delete),
    "allow": ("let a host be told: also by http, and where its address is not public", _host, _allow),
    "disallow": ("take back that a host was allowed", _host, _disallow),
    "hosts": ("the hosts that were allowed", _nothing, _hosts),
}
