"""What went wrong between here and Kaggle, in words: what, and what to do."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

CONNECT_S, SILENCE_S = 10.0, 30.0  # how long a server may take to be there, and to send the next byte
_CREDENTIALS = "KAGGLE_API_TOKEN, KAGGLE_USERNAME with KAGGLE_KEY, or the files in ~/.kaggle"


def own_errors() -> tuple[type[Exception], ...]:
    """What kagglehub raises itself: its own errors, and ValueError for credentials and answers that it cannot read."""
    from kagglehub import exceptions

    own = (kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception))
    return (*own, ValueError)


def own_reason(error: Exception) -> str:
    """What is wrong where kagglehub says so itself, without a full stop."""
    from kagglehub.exceptions import DataCorruptionError

    if isinstance(error, DataCorruptionError):
        return "what arrived has another MD5 sum than Kaggle's and was thrown away: run the same command again"
    return f"kagglehub gave up: {_flat(error)}"


def is_break(error: requests.RequestException) -> bool:
    """Whether a connection ended that another attempt may mend."""
    return error.response is None and isinstance(
        error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError
    )


def reason(error: requests.RequestException) -> str:
    """What is wrong and what to do, without a full stop."""
    if error.response is not None:
        return _refusal(error.response, error)
    cause = _innermost(error)
    host = urlsplit(str(error.request.url)).netloc if error.request is not None else "Kaggle"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy did not let {host} through ({cause}): check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
    if isinstance(error, requests.exceptions.SSLError):
        return f"the certificate of {host} is not trusted ({cause}): behind a proxy that reads along, set REQUESTS_CA_BUNDLE"
    if isinstance(error, requests.Timeout):
        limit_s = CONNECT_S if isinstance(error, requests.ConnectTimeout) else SILENCE_S
        return f"{host} did not answer in {limit_s:.0f} seconds: no network, or a firewall in between"
    if is_break(error):
        return f"{host} cannot be reached ({cause}): no network, or a firewall in between"
    return f"the request to {host} failed ({cause})"


def _refusal(response: requests.Response, error: requests.RequestException) -> str:
    status = response.status_code
    if status in (401, 403):
        if response.request.headers.get("Authorization"):
            return f"Kaggle refused the credentials ({status}): correct or remove them ({_CREDENTIALS}); the database needs none"
        return f"Kaggle refused ({status}): set KAGGLE_API_TOKEN to a token from https://www.kaggle.com/settings"
    if status == 404:
        return "Kaggle has no such dataset any more (404)"
    if status == 429:
        wait = response.headers.get("Retry-After")
        return f"Kaggle had too many requests from here (429): try again in {f'{wait} seconds' if wait else 'an hour'}"
    if status >= 500:
        return f"Kaggle is out of order ({status}): try again later"
    return f"Kaggle answered {status} ({_flat(error)})"


def _innermost(error: BaseException) -> str:
    """The system's word for what went wrong, at the bottom of a chain of errors; else the chain's last words."""
    chain = [error]
    while (below := chain[-1].__cause__ or chain[-1].__context__) is not None and below not in chain:
        chain.append(below)
    system = [cause.strerror for cause in chain if isinstance(cause, OSError) and cause.strerror]
    return (system[-1] if system else _flat(chain[-1])).rstrip(".").lower()


def _flat(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
