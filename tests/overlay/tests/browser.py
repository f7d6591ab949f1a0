"""A browser for these tests: it keeps cookies, follows redirects and submits forms."""

from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import requests


class Form(HTMLParser):
    """The last form of a page, with the fields that it would send."""

    def __init__(self, html):
        super().__init__()
        self.action, self.fields = "", {}
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attribute = dict(attributes)
        if tag == "form":
            self.action, self.fields = attribute.get("action") or "", {}
        elif tag == "input" and attribute.get("name"):
            self.fields[attribute["name"]] = attribute.get("value") or ""


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
        form = Form(self.page.text)
        url = urljoin(self.page.url, form.action)
        data = form.fields | values
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
        return self.submit(username=username, password=password)


def parameters(url):
    """Return the query parameters of `url`, one value each."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
