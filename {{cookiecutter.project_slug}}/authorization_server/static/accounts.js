// Account pages: a message when a passkey could not be used, and "Show" beside passwords.

// Without its handler, which is there once all scripts have run, a button would send an empty form.
addEventListener("load", () => {
  for (const button of document.querySelectorAll("#passkey_login, [id^=mfa_webauthn]")) {
    button.disabled = false;
  }
});

document.addEventListener("allauth.error", (event) => {
  const message = document.createElement("div");
  message.className = "alert";
  message.setAttribute("role", "alert");
  const { name } = event.detail.exception;
  message.textContent = name === "NotAllowedError"
    ? "No passkey was used. Try again, or sign in another way."
    : `The passkey could not be used (${name}).`;
  document.querySelectorAll("main > .alert").forEach((old) => old.remove());
  document.querySelector("main h1").after(message);
  event.preventDefault();
});

for (const input of document.querySelectorAll("input[type=password]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  button.textContent = "Show";
  button.setAttribute("aria-controls", input.id);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    const isShown = input.type === "password";
    input.type = isShown ? "text" : "password";
    button.textContent = isShown ? "Hide" : "Show";
    button.setAttribute("aria-pressed", String(isShown));
  });
  input.after(button);
}
