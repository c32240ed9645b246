"""A mistake in the URL of Redis is an error when the client is made, never later in a request."""

import pytest
from redis.asyncio import Redis, RedisCluster

from course_lib import redis_client
from course_lib.lab import redis_server
from course_lib.redis_client import url_options

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "client_name": "app",
    "db": "0",
    "decode_responses": "true",
    "encoding": "latin-1",
    "encoding_errors": "replace",
    "health_check_interval": "30",
    "lib_name": "app",
    "lib_version": "1.2",
    "max_connections": "7",
    "password": "p",
    "protocol": "2",
    "retry_on_timeout": "no",
    "sentinel_password": "p",
    "sentinel_username": "u",
    "socket_connect_timeout": "0.5",
    "socket_keepalive": "true",
    "socket_read_size": "1000",
    "socket_timeout": "0.5",
    "ssl_ca_certs": "",
    "ssl_ca_data": "",
    "ssl_cert_reqs": "none",
    "ssl_certfile": "",
    "ssl_check_hostname": "no",
    "ssl_ciphers": "DEFAULT",
    "ssl_keyfile": "",
    "ssl_min_version": "771",  # TLS 1.2
    "timeout": "5",
    "username": "u",
}


@pytest.mark.parametrize(
    ("query", "remedy"),
    [
        ("encoding=nonsense", "pass an encoding that extends ASCII"),
        ("encoding=utf-16", "pass an encoding"),
        ("encoding=hex", "pass an encoding"),
        ("encoding_errors=nonsense", "pass strict"),
        ("socket_timeout=abc", "pass seconds"),
        ("socket_timeout=0", "pass seconds"),
        ("socket_timeout=nan", "pass seconds"),
        ("socket_connect_timeout=-1", "pass seconds"),
        ("timeout=", "pass seconds"),
        ("db=abc", "pass a whole number"),
        ("db=-1", "pass a whole number"),
        ("health_check_interval=-1", "pass a whole number"),
        ("max_connections=0", "pass a whole number, 1 or more"),
        ("socket_read_size=-1", "pass a whole number, 1 or more"),
        ("protocol=9", "pass 2 or 3"),
        ("decode_responses=maybe", "pass true or false"),
        ("socket_keepalive=2", "pass true or false"),
        ("client_name=a%20b", "pass a name without spaces"),
        ("ssl_cert_reqs=none", "begin the URL with rediss"),
        ("sentinel_username=u", "remove it"),
        ("socket_tiemout=1", "remove it"),
        ("host=other", "remove it"),
        ("retry=3", "remove it"),
        ("retry_on_timeout=true", "pass false: a command is tried once"),
        ("lib_name=a%20b", "pass a name without spaces"),
    ],
)
async def test_a_wrong_option_is_named_with_its_remedy(query: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as raised:
        redis_client.connect(f"redis://localhost?{query}")
    assert query.partition("=")[0] in str(raised.value)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("rediss://localhost?ssl_ca_certs=/no/such/file", "check ssl_ca_certs"),
        ("rediss://localhost?ssl_cert_reqs=maybe", "check ssl_cert_reqs"),
        ("rediss://localhost?ssl_min_version=9", "check ssl_min_version"),
        ("rediss+cluster://localhost?ssl_ciphers=none", "check ssl_ciphers"),
        (f"rediss+sentinel://localhost/name?ssl_certfile={__file__}", "check ssl_certfile"),
        ("redis://localhost/nine", "pass a number"),
        ("redis://localhost/1/2", "pass a number"),
        ("redis+sentinel://localhost/name/nine", "pass a number"),
        ("redis+cluster://localhost?db=1", "only database 0"),
        ("redis+cluster://localhost/1", "only database 0"),
        ("redis://one,two", r"redis\+cluster://"),
        ("redis://localhost:port", "pass one like"),
        ("redis://localhost:99999", "pass one like"),
        ("redis://[::1", "pass one like"),
        ("unix://", "pass unix:///path"),
        ("unix://run/redis.sock", "pass unix:///path"),
        ("unix://localhost/run/redis.sock?db=1", "pass unix:///path"),
        ("redis://localhost:0", "a number from 1 to 65,535"),
        ("redis+cluster://localhost:7000,localhost:0", "a number from 1 to 65,535"),
        ("http://localhost", "begins with"),
    ],
)
async def test_a_wrong_url_is_an_error_with_its_remedy(url: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        redis_client.connect(url)


@pytest.mark.parametrize("password", ["abc/xyz", "1/xyz", "abc?xyz", "1?xyz", "abc#xyz", "abc[xyz"])
async def test_no_message_has_a_part_of_the_password(password: str) -> None:
    with pytest.raises(ValueError, match=r"as %2F|remove it") as raised:
        redis_client.connect(f"redis://:{password}@localhost:6379/0")
    assert "abc" not in str(raised.value)
    assert "xyz" not in str(raised.value)


@pytest.mark.parametrize("tls", ["", "s"])
@pytest.mark.parametrize("kind", ["server", "unix", "cluster", "sentinel"])
async def test_every_option_on_the_list_is_one_that_connections_take(kind: str, tls: str) -> None:
    options = url_options.KINDS | url_options.OF_ENGINE[kind]
    scheme = "unix" if kind == "unix" else f"redis{tls}{'' if kind == 'server' else f'+{kind}'}"
    if tls and kind != "unix":
        options |= url_options.OF_TLS
    values = {name: EXAMPLES[name] for name in options}
    query = "&".join(f"{name}={value}" for name, value in values.items() if value)
    host = (
        "/socket" if kind == "unix" else "localhost/name/0" if kind == "sentinel" else "localhost"
    )
    redis = redis_client.connect(f"{scheme}://{host}?{query}")
    if isinstance(redis, RedisCluster):
        node = next(iter(redis.nodes_manager.startup_nodes.values()))
        assert node.max_connections == 7
        connection = node.acquire_connection()
    else:
        assert redis.connection_pool.max_connections == 7
        connection = redis.connection_pool.make_connection()
    assert (connection.encoder.encoding, connection.socket_timeout) == ("latin-1", 0.5)


@pytest.mark.parametrize(("value", "reply"), [("false", b"1"), ("0", b"1"), ("True", "1")])
async def test_a_switch_means_what_it_says(
    own_server: redis_server.RedisServer, value: str, reply: object
) -> None:
    redis = redis_client.connect(f"{own_server.url}?decode_responses={value}&db=5")
    await redis.set("switch", 1)
    assert await redis.get("switch") == reply
    await redis.aclose()


async def test_the_login_and_the_path_are_decoded() -> None:
    redis: Redis = redis_client.connect("redis://us%40er:p%2Fw@localhost:1234/3")
    options = redis.connection_pool.connection_kwargs
    names = ["username", "password", "host", "port", "db"]
    assert [options[name] for name in names] == ["us@er", "p/w", "localhost", 1234, 3]


@pytest.mark.filterwarnings("error")
async def test_redis_knows_the_client_by_the_names_in_the_url(
    own_server: redis_server.RedisServer,
) -> None:
    options = "client_name=app&lib_name=shop&lib_version=1.2"
    redis = redis_client.connect(f"{own_server.url}?{options}")
    info = await redis.client_info()
    await redis.aclose()
    assert info["name"] == "app"
    if "lib-name" in info:  # since Redis 7.2
        assert (info["lib-name"], info["lib-ver"]) == ("shop", "1.2")


@pytest.mark.parametrize("engine", ["cluster", "sentinel"])
def test_a_pool_is_for_one_server(engine: str) -> None:
    with pytest.raises(ValueError, match=f"leads to a {engine}, .* begins with redis://"):
        redis_client.pool(f"redis+{engine}://localhost/{'name' if engine == 'sentinel' else ''}")
