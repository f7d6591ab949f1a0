// A person at a browser: keeps cookies, signs in, and answers the pages of the authorization server.
export class Person {
  constructor({ username, password }) {
    this.fields = { login: username, password };
    this.cookies = new Map();
  }

  // Follow redirects within the site; return the address of another site, or null at a page.
  async open(url, options = {}) {
    const headers = { ...options.headers, cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
    const response = await fetch(url, { ...options, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value) this.cookies.set(name, value); else this.cookies.delete(name);
    }
    this.url = new URL(url);
    this.status = response.status;
    this.text = await response.text();
    const location = response.headers.get('location');
    if (!location) return null;
    const target = new URL(location, this.url);
    return target.origin === this.url.origin ? this.open(target) : target;
  }

  // Send the form of the page with `values`; return as `open` does.
  submit(values) {
    const hidden = [...this.text.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g)]
      .map(([, name, value]) => [name, value.replaceAll('&quot;', '"').replaceAll('&amp;', '&').replaceAll('&#x27;', "'")]);
    const body = new URLSearchParams({ ...Object.fromEntries(hidden), ...values });
    return this.open(this.url, { method: 'POST', body, headers: { referer: this.url.href } });
  }

  // Open an authorization request, sign in if asked to, allow it, and return the address of the client.
  async authorize(url) {
    let target = await this.open(url);
    if (!target && this.url.pathname === '/accounts/login/') target = await this.submit(this.fields);
    return target ?? this.submit({ allow: 'true' });
  }
}

// Run each step in turn, and print the outcome of each as JSON: true, or the error as text.
export async function report(steps) {
  const outcomes = {};
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
      outcomes[name] = true;
    } catch (error) {
      outcomes[name] = `${error.stack} ${error.cause ? JSON.stringify(error.cause) : ''}`;
    }
  }
  console.log(JSON.stringify(outcomes));
}
