import { createRouter, createWebHistory, type RouteRecordRaw } from "vue-router";
import { useMe } from "./stores/me";
import "vue-router";

declare module "vue-router" {
  interface RouteMeta {
    /** Locale key of the window title. */
    title?: string;
    /** Without the header of the console. */
    bare?: boolean;
    /** Shown to people who are not signed in. */
    open?: boolean;
  }
}

const routes: RouteRecordRaw[] = [
  { path: "/", component: () => import("./console/HomePage.vue"), meta: { title: "home.title" } },
  { path: "/login", component: () => import("./console/LoginPage.vue"), meta: { title: "login.title", bare: true, open: true } },
  { path: "/network", component: () => import("./network/NetworkPage.vue"), meta: { title: "networkTest.title", bare: true, open: true } },
  { path: "/password", component: () => import("./console/PasswordPage.vue"), meta: { title: "password.title" } },
  { path: "/rules", component: () => import("./console/RulesPage.vue"), meta: { title: "rules.title" } },
  { path: "/create", component: () => import("./console/CreatePage.vue"), meta: { title: "create.title" } },
  { path: "/orgs/:id?", component: () => import("./orgs/OrgsPage.vue"), meta: { title: "orgs.title" }, props: true },
  { path: "/orgs/:id/import", component: () => import("./orgs/ImportPage.vue"), meta: { title: "orgImport.title" }, props: true },
  { path: "/sessions/:id", component: () => import("./console/SessionPage.vue"), meta: { title: "session.title" }, props: true },
  { path: "/s/:id", component: () => import("./room/MeetingPage.vue"), meta: { title: "lobby.title", bare: true }, props: true },
  { path: "/site/:id", component: () => import("./room/SitePage.vue"), meta: { title: "site.title", bare: true }, props: true },
  { path: "/checkin/:id", component: () => import("./room/CheckinPage.vue"), meta: { title: "checkin.title", bare: true }, props: true },
  { path: "/archive/:id/minutes", component: () => import("./archive/minutes/MinutesPage.vue"), meta: { title: "minutes.title" }, props: true },
  { path: "/archive/:id", component: () => import("./archive/ArchivePage.vue"), meta: { title: "archive.title" }, props: true },
  ...(import.meta.env.DEV
    ? [{ path: "/dev/gallery", component: () => import("./dev/GalleryPage.vue"), meta: { bare: true, open: true } }]
    : []),
  { path: "/:rest(.*)*", component: () => import("./console/NotFoundPage.vue"), meta: { title: "notFound.title", bare: true, open: true } },
];

export const router = createRouter({
  history: createWebHistory(),
  routes,
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
});

/** A link names the session, never a person: signing in comes after it and returns to it. */
router.beforeEach(async (to) => {
  const me = useMe();
  await me.ensure();
  if (to.meta.open) return true;
  if (!me.me && !me.unreachable) return { path: "/login", query: to.fullPath === "/" ? {} : { next: to.fullPath } };
  if (me.me?.must_change_password && to.path !== "/password") return { path: "/password", query: { next: to.fullPath } };
  return true;
});
