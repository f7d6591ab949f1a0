"""A browser for these tests: it keeps cookies, follows redirects and submits forms."""

from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import requests


class Forms(HTMLParser):
    """The forms of a page: action, and the fields that each would send."""

    def __init__(self, html):
        super().__init__()
        self.forms = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attribute = dict(attributes)
        if tag == "form":
            self.forms.append((attribute.get("action") or "", {}))
        elif tag == "input" and attribute.get("name"):
            self.forms[-1][1][attribute["name"]] = attribute.get("value") or ""

    def with_fields(self, names):
        """Return the last form with some of these fields, or the last form."""
        having = [form for form in self.forms if form[1].keys() & names]
        return [*self.forms, *having][-1]


class Browser:
    """A person's browser at the authorization server."""

    def __init__(self):
        self.session = requests.Session()
        self.page = None

    def open(self, url):
        """Open `url` and follow redirects; return a redirect to another site, or None."""
        return self._follow(self.session.get(url, allow_redirects=False))

    def submit(self, **values):
        """Send the form of the page, with some `values` filled in; return as `open` does."""
        action, fields = Forms(self.page.text).with_fields(values.keys())
        url = urljoin(self.page.url, action)
        data = fields | values
        headers = {"Referer": self.page.url}
        return self._follow(
            self.session.post(url, data=data, headers=headers, allow_redirects=False)
        )

    def _follow(self, response):
        while response.is_redirect:
            target = urljoin(response.url, response.headers["Location"])
            if urlsplit(target).netloc != urlsplit(response.url).netloc:
                return target
            response = self.session.get(target, allow_redirects=False)
        self.page = response
        return None

    def log_in(self, username, password):
        """Fill in the login page that is open; return as `open` does."""
        return self.submit(login=username, password=password)


def parameters(url):
    """Return the query parameters of `url`, one value each."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
