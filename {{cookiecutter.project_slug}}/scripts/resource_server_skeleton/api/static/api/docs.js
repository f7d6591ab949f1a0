"use strict";

// The dark theme of Swagger UI is a class. Only its layout with a bar for other documents sets it.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// What Swagger UI lacks for people who do not see the page, or use it by the keyboard.
const accessible = ({ React: { createElement } }) => ({
  wrapComponents: {
    // A link in the button of each operation. Without it, a click still changes the address.
    DeepLink: () => ({ text }) => createElement("span", null, text),
    // The name of a button is what is on it.
    Button: (Button) => ({ "aria-label": _, ...props }) => createElement(Button, props),
    CloseIcon: (Icon) => (props) =>
      createElement(Icon, { ...props, "aria-hidden": false, "aria-label": "Close", role: "img" }),
    TextArea: (TextArea) => (props) =>
      createElement(TextArea, { "aria-label": "Request body", ...props }),
  },
});
const documentationSettings = {
  deepLinking: true,
  plugins: [accessible],
  syntaxHighlight: false, // Its colours have too little contrast.
};
