export type Panel = "people" | "chat" | "agenda";
export const PANELS: readonly Panel[] = ["people", "chat", "agenda"];
