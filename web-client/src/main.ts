import { createPinia } from "pinia";
import { createApp } from "vue";
import App from "./App.vue";
import { i18n } from "./i18n";
import "./rtc/flags"; // Reads the address before the first redirect drops its switches.
import { router } from "./router";
import "./ui/tokens.css";
import "./ui/base.css";

async function start() {
  // The gallery and its invented server exist in development only.
  if (import.meta.env.DEV && new URLSearchParams(location.search).has("mock")) {
    (await import("./dev/mock")).install();
  }
  createApp(App).use(createPinia()).use(i18n).use(router).mount("#app");
}

void start();
