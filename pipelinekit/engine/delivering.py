"""What becomes of a message to a webhook after a try, when it is tried again, and which messages are sent next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from pipelinekit.classes import frozen, replace
from pipelinekit.domain.hosts import AllowedHost, Place, read_url
from pipelinekit.domain.webhooks import Answer, Delivery, DeliveryState, is_allowed, refusal, signed_headers

MOST_TRIES = 8
FIRST_SECONDS = 2.0  # before the second try
GROWTH = 6.0  # from one pause to the next
LONGEST_SECONDS = 6 * 3600.0
SPREAD = 0.2  # of a pause, by which it may be shorter or longer
LONGEST_WAIT = 3600.0  # that a server may ask for
AT_ONCE_TO_ONE = 2  # messages under way to one address
LONGEST_ANSWER = 200  # characters that are kept of an answer which tells what is wrong


@frozen
class Message:
    """What is sent, and where to; only to public addresses, unless `private`."""

    place: Place
    headers: Mapping[str, str]
    body: bytes
    private: bool


def message(
    delivery: Delivery, allowed: Collection[AllowedHost], secrets: Callable[[], Sequence[str]], now: float
) -> Message | Answer:
    """A delivery as it is sent now, signed; or the answer where it may not be sent."""
    place = read_url(delivery.url, "a webhook")
    if words := refusal(place, allowed):
        return Answer(text=words, refused=True)
    body = delivery.body.encode()
    headers = signed_headers(secrets(), delivery.id, int(now), body)
    return Message(place, headers, body, is_allowed(place, allowed))


def pause(tries: int, share: float) -> float:
    """Seconds until a message is tried again that was tried so often. `share` is a random number, 0 to 1."""
    plain = min(FIRST_SECONDS * GROWTH ** (tries - 1), LONGEST_SECONDS)
    return plain * (1 - SPREAD + 2 * SPREAD * share)


def settled(delivery: Delivery, answer: Answer, now: float, share: float) -> Delivery:
    """A message after one more try."""
    tries = delivery.tries + 1
    text = "" if answer.good else answer.text[:LONGEST_ANSWER]
    told = replace(delivery, tries=tries, tried_at=now, status=answer.status, answer=text, ended_at=now)
    if answer.good:
        return replace(told, state=DeliveryState.DELIVERED)
    if answer.refused or answer.gone or tries >= MOST_TRIES:
        return replace(told, state=DeliveryState.FAILED)
    wait = max(pause(tries, share), min(answer.wait, LONGEST_WAIT))
    return replace(told, next_at=now + wait, ended_at=None)


def chosen(due: Iterable[Delivery], most: int, under_way: Mapping[str, int]) -> Sequence[Delivery]:
    """Of messages that are due, the first ones that may be sent now: an address that is slow holds up no other.

    `under_way` counts messages by address.
    """
    counts, found = Counter(under_way), list[Delivery]()
    for delivery in due:
        if len(found) >= most:
            break
        if counts[delivery.url] < AT_ONCE_TO_ONE:
            counts[delivery.url] += 1
            found.append(delivery)
    return found
