"use strict";

// The dark theme of Swagger UI is a class. Only its layout with a bar for other documents sets it.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
