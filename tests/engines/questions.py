"""Twenty questions to an archive: in SQL, and as they are put to ctrecorder.

In SQL, {ns:COLUMN} is a time as a number of ns since the epoch, and {ip:ADDRESS} an IPv4 address as the number that it is in an
archive; {hex:COLUMN} is a column of bytes as capital hexadecimal digits. What follows is_... in the tables below is
known of the flow that the questions are about.
"""

from typing import Callable, NamedTuple


class Flow(NamedTuple):
    """A row, as all engines and ctrecorder tell it. Unknown times are None, IPv4 addresses numbers, others hexadecimal."""

    start: int | None
    end: int | None
    protocol: int
    translation: str
    inside: int | str
    inside_port: int
    public: int | str
    public_port: int
    peer: int | str
    peer_port: int


# The row of a flow, in SQL.
ROW = """{ns:start} as s, {ns:end} as e, protocol, translation,
    coalesce(cast(inside_ip as varchar(10)), {hex:inside_ip6}) as inside, inside_port,
    coalesce(cast(public_ip as varchar(10)), {hex:public_ip6}) as public, public_port,
    coalesce(cast(peer_ip as varchar(10)), {hex:peer_ip6}) as peer, peer_port"""

ALIVE = "({ns:start} is null or {ns:start} <= AT) and ({ns:end} is null or {ns:end} >= AT)"


class Question(NamedTuple):
    name: str
    # What is selected, and of which rows.
    select: str
    where: str
    # Options of list that keep the same flows; what is then made of them in place of the flows themselves.
    options: list[str]
    made: Callable[[list[Flow]], list[tuple]] | None = None
    rest: str = ""


def counted(key: Callable[[Flow], object]) -> Callable[[list[Flow]], list[tuple]]:
    def count(flows: list[Flow]) -> list[tuple]:
        counts: dict[object, int] = {}
        for flow in flows:
            counts[key(flow)] = counts.get(key(flow), 0) + 1
        return [(value, number) for value, number in counts.items()]

    return count


def questions(known: dict[str, str]) -> list[Question]:
    """The questions; `known` has an address, a port, a time and so on of some flow in place of the words in capitals."""

    def rows(name: str, where: str, *options: str) -> Question:
        return Question(name, ROW, where, list(options))

    at = f"@{int(known['AT']) // 10**9}.{int(known['AT']) % 10**9:09}"
    public, port, inside, peer = known["PUBLIC"], known["PORT"], known["INSIDE"], known["PEER"]
    source = "translation = 'source'"
    asked = [
        rows("who had a public endpoint at a time",
             f"{source} and public_ip = {{ip:PUBLIC}} and public_port = PORT and " + ALIVE,
             "--reply-dst", public, "--reply-port-dst", port, "--at", at, "--nat"),
        rows("who ever had a public endpoint", f"{source} and public_ip = {{ip:PUBLIC}} and public_port = PORT",
             "--reply-dst", public, "--reply-port-dst", port, "--nat"),
        rows("all that an inside host began", "inside_ip = {ip:INSIDE} and translation in ('source', 'both', 'none')",
             "--orig-src", inside),
        rows("all that reached an inside host", "inside_ip = {ip:INSIDE} and translation = 'destination'",
             "--reply-src", inside),
        rows("all with a peer", "{ip:PEER} in (inside_ip, public_ip, peer_ip)", "-i", peer),
        rows("all alive at a time", ALIVE, "--at", at),
        rows("all that may have lasted for a minute", "{ns:end} - {ns:start} >= 60000000000 or start_at_latest and {ns:end} is not null",
             "--min-duration", "60s"),
        rows("UDP to port 53", "protocol = 17 and peer_port = 53", "--proto", "udp", "--orig-port-dst", "53"),
        rows("all over IPv6", "inside_ip6 is not null", "-i", "::/0"),
        rows("what came from outside", "translation = 'destination'", "--nat", "--where", "not post src ip PUBLICS or "
             "pre dst ip PUBLICS"),
        rows("flows that were found after a loss", "start_at_latest", "--where", "id RECOVERED"),
        rows("without translation", "translation = 'none'", "--where", "not nat"),
        rows("a network of inside hosts", "inside_ip between {ip:100.64.0.0} and {ip:100.64.0.3}",
             "--where", "pre src ip 100.64.0.0/30 or post dst ip 100.64.0.0/30"),
        rows("those whose end nobody heard", "end_at_latest or {ns:end} is null", "--where", "id UNHEARD"),
    ]
    everything: list[str] = []
    asked += [
        Question("how many there are", "count(*)", "true", everything, lambda flows: [(len(flows),)]),
        Question("how many of each protocol", "protocol, count(*)", "true", everything,
                 counted(lambda flow: flow.protocol), "group by protocol"),
        Question("how many of each translation", "translation, count(*)", "true", everything,
                 counted(lambda flow: flow.translation), "group by translation"),
        Question("how many of each public address", "public_ip, count(*)", "public_ip is not null",
                 ["-i", "0.0.0.0/0"], counted(lambda flow: flow.public), "group by public_ip"),
        Question("the time that each host's flows took", "inside_ip, sum({ns:end} - {ns:start})",
                 "inside_ip is not null and {ns:end} >= {ns:start}", ["-i", "0.0.0.0/0"], taken, "group by inside_ip"),
        Question("how many began in each minute", "cast(floor({ns:start} / 60000000000) as bigint) as minute, count(*)",
                 "{ns:start} is not null", everything, began, "group by minute"),
    ]
    return asked


def taken(flows: list[Flow]) -> list[tuple]:
    spans: dict[object, int] = {}
    for flow in flows:
        if flow.start is not None and flow.end is not None and flow.end >= flow.start:
            spans[flow.inside] = spans.get(flow.inside, 0) + flow.end - flow.start
    return list(spans.items())


def began(flows: list[Flow]) -> list[tuple]:
    return counted(lambda flow: flow.start // 60_000_000_000)([flow for flow in flows if flow.start is not None])
