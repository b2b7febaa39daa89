"""What is known of asyncio and the standard library: the table that stands in for reading them.

Analysed code is resolved against these names, and those of ``frameworks``, alone, so that the verdict on a file does
not depend on what is installed. Sources: https://docs.python.org/3/library/asyncio-task.html and
asyncio-eventloop.html.
"""

from __future__ import annotations

LOOP = "asyncio.AbstractEventLoop"
# What ``from asyncio import *`` brings, of the names that matter here (``asyncio.__all__``).
ASYNCIO_STAR = frozenset(
    {"create_task", "ensure_future", "run_coroutine_threadsafe", "gather", "shield", "wait", "wait_for", "sleep"}
    | {"Task", "Future", "TaskGroup", "Runner", "run", "current_task", "all_tasks", "as_completed", "to_thread"}
    | {"get_running_loop", "get_event_loop", "new_event_loop", "set_event_loop", "AbstractEventLoop", "wrap_future"}
    | {"Queue", "LifoQueue", "PriorityQueue", "Event", "Lock", "Condition", "Semaphore", "BoundedSemaphore", "Barrier"}
    | {"CancelledError", "TimeoutError", "timeout", "timeout_at", "start_server", "open_connection"}
)
ASYNCIO_QUEUES = frozenset({"asyncio.Queue", "asyncio.LifoQueue", "asyncio.PriorityQueue"})

# Calls that make or give back an object of a class under another name.
RETURNS: dict[str, str] = {
    "asyncio.get_running_loop": LOOP,
    "asyncio._get_running_loop": LOOP,
    "asyncio.get_event_loop": LOOP,
    "asyncio.new_event_loop": LOOP,
    "asyncio.Runner.get_loop": LOOP,
    "asyncio.Task.get_loop": LOOP,
    "asyncio.Future.get_loop": LOOP,
    "contextvars.copy_context": "contextvars.Context",
    "logging.getLogger": "logging.Logger",
    "asyncio.create_task": "asyncio.Task",
    "asyncio.ensure_future": "asyncio.Task",
    "asyncio.current_task": "asyncio.Task",
    "asyncio.gather": "asyncio.Future",
    "asyncio.shield": "asyncio.Future",
    "asyncio.wrap_future": "asyncio.Future",
    f"{LOOP}.create_task": "asyncio.Task",
    f"{LOOP}.create_future": "asyncio.Future",
    f"{LOOP}.run_in_executor": "asyncio.Future",
    "asyncio.run_coroutine_threadsafe": "concurrent.futures.Future",
    "concurrent.futures.ThreadPoolExecutor.submit": "concurrent.futures.Future",
    "concurrent.futures.ProcessPoolExecutor.submit": "concurrent.futures.Future",
}

# What runs a coroutine to its end before it returns.
TO_THE_END = frozenset({"asyncio.run", "asyncio.Runner.run", f"{LOOP}.run_until_complete"})

# The method of the receiver that waits for what it starts; those of other libraries are in the table of frameworks.
SCOPED = frozenset({"asyncio.TaskGroup.create_task"})

# Coroutine functions of the library: what they return, when called, is a coroutine and not yet a future.
# The coroutine methods of the event loop: https://docs.python.org/3/library/asyncio-eventloop.html
_LOOP_COROUTINES = (
    *("create_connection", "create_datagram_endpoint", "create_server", "create_unix_connection", "create_unix_server"),
    *("connect_accepted_socket", "connect_read_pipe", "connect_write_pipe", "subprocess_exec", "subprocess_shell"),
    *("sendfile", "start_tls", "getaddrinfo", "getnameinfo", "shutdown_asyncgens", "shutdown_default_executor"),
    *("sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendto"),
    *("sock_connect", "sock_accept", "sock_sendfile"),
)
COROUTINE_FUNCTIONS = frozenset(
    {"asyncio.sleep", "asyncio.wait", "asyncio.wait_for", "asyncio.to_thread", "asyncio.open_connection"}
    | {f"{queue}.{method}" for queue in ASYNCIO_QUEUES for method in ("get", "put", "join")}
    | {f"asyncio.{lock}.acquire" for lock in ("Lock", "Semaphore", "BoundedSemaphore", "Condition")}
    | {f"{LOOP}.{method}" for method in _LOOP_COROUTINES}
    | {"asyncio.Event.wait", "asyncio.Condition.wait", "asyncio.Condition.wait_for", "asyncio.Barrier.wait"}
)
FUTURE_CLASSES = frozenset({"asyncio.Task", "asyncio.Future", "concurrent.futures.Future"})
COROUTINE_ANNOTATIONS = frozenset(
    {"typing.Coroutine", "collections.abc.Coroutine", "types.CoroutineType", "typing.types.CoroutineType"}
)
AWAITABLE_ANNOTATIONS = COROUTINE_ANNOTATIONS | {"typing.Awaitable", "collections.abc.Awaitable"}

# Where a callback stands among the arguments of what registers it; its result is thrown away.
LOOP_REGISTRARS: dict[str, int] = {
    "call_soon": 0,
    "call_soon_threadsafe": 0,
    "call_later": 1,
    "call_at": 1,
    "add_signal_handler": 1,
    "add_reader": 1,
    "add_writer": 1,
}
OTHER_REGISTRARS: dict[str, int] = {"signal.signal": 1, "atexit.register": 0}

# Methods of a task that read it without holding it.
WEAK_TASK_METHODS = frozenset(
    {"add_done_callback", "remove_done_callback", "set_name", "get_name", "done", "cancelled", "cancelling", "uncancel"}
    | {"get_coro", "get_loop", "get_context", "get_stack", "print_stack"}
)
# Functions that look at their argument and forget it.
FORGETFUL = frozenset(
    {f"builtins.{name}" for name in ("print", "id", "repr", "str", "ascii", "format", "type", "hash", "bool", "len")}
    | {f"builtins.{name}" for name in ("isinstance", "issubclass", "callable", "hasattr", "getattr", "delattr")}
    | {f"builtins.{name}" for name in ("dir", "vars", "any", "all", "sum")}
    | {"inspect.isawaitable", "inspect.iscoroutine", "asyncio.iscoroutine", "asyncio.isfuture"}
)
# Calls whose result holds, or is, what they were given.
TRANSPARENT = frozenset(
    {f"builtins.{name}" for name in ("list", "tuple", "set", "frozenset", "dict", "iter", "reversed", "enumerate")}
    | {f"builtins.{name}" for name in ("zip", "sorted", "filter", "next", "max", "min", "map", "super")}
    | {"copy.copy", "collections.deque", "itertools.chain", "itertools.chain.from_iterable", "typing.cast"}
    | {"asyncio.gather", "asyncio.shield", "asyncio.wait", "asyncio.wait_for", "asyncio.ensure_future"}
    | {"asyncio.wrap_future"}
)
# The last words of calls that make a new collection of what another holds.
COPIES = frozenset({"list", "tuple", "set", "frozenset", "dict", "sorted", "copy", "deepcopy"})
WEAK_CONTAINERS = frozenset({"weakref.WeakSet", "weakref.WeakValueDictionary"})
WEAK_KEYED = frozenset({"weakref.WeakKeyDictionary"})
WEAK_REFERENCES = frozenset({"weakref.ref", "weakref.proxy", "weakref.finalize", "weakref.WeakMethod"})
CONTAINER_CLASSES = frozenset(
    {f"builtins.{name}" for name in ("list", "tuple", "set", "frozenset", "dict")}
    | {"collections.deque", "collections.defaultdict", "collections.OrderedDict"}
)
# Mappings that a look-up puts nothing into.
LOOKED_UP = frozenset({"builtins.dict", "collections.OrderedDict", *WEAK_KEYED})
CONTAINER_ADDERS = frozenset(
    {"append", "add", "insert", "appendleft", "extend", "extendleft", "update", "setdefault", "put", "put_nowait"}
)
CONTAINER_FORGETTERS = frozenset({"remove", "discard", "index", "count", "clear"})
_LOG_METHODS = frozenset(
    {"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log", "trace", "success"}
)
# With those that structlog has to be awaited: https://www.structlog.org/en/stable/standard-library.html
LOG_METHODS = _LOG_METHODS | {f"a{method}" for method in _LOG_METHODS}
LOGGER_NAMES = frozenset(
    {"log", "logger", "logging", "_log", "_logger", "LOG", "LOGGER", "_LOGGER", "__log", "__logger"}
)
