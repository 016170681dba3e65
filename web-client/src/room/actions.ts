/** What a person does in the room; a refusal is shown, never swallowed. */
import { useI18n } from "vue-i18n";
import type { Request, Source } from "@/protocol/generated/protocol";
import { DeviceError, type DeviceKind } from "@/rtc/media";
import { useDevices } from "@/stores/devices";
import { asRequestError } from "@/stores/load";
import { useRoom } from "@/stores/room";
import { sentenceOf } from "@/ui/errors";
import { useToasts } from "@/ui/toasts";

export function useRoomActions() {
  const { t } = useI18n();
  const room = useRoom();
  const devices = useDevices();
  const toasts = useToasts();

  async function send(request: Request): Promise<boolean> {
    const error = await room.request(request);
    if (error) toasts.show(sentenceOf(error, t), "bad");
    return error === null;
  }

  /** Runs something with a device and says in words what was wrong. */
  async function withDevice(work: () => Promise<void> | undefined) {
    try {
      await work();
    } catch (error) {
      if (error instanceof DeviceError) {
        if (error.problem !== "cancelled") toasts.show(t(deviceKey(error.kind, error.problem)), "bad");
      } else {
        toasts.show(sentenceOf(asRequestError(error), t), "bad");
      }
    }
  }

  const deviceKey = (kind: DeviceKind, problem: string) => `devices.${kind}.${problem}`;
  const toggleMic = () => withDevice(() => room.setMic(!room.micOn, devices.choice.microphone || undefined));
  const toggleCam = () =>
    withDevice(() => room.client?.setCamera(room.local.camera === null, devices.choice.camera || undefined));
  const toggleScreen = () =>
    withDevice(() => (room.local.screen ? room.client?.stopScreen() : room.client?.startScreen()));
  const toggleHand = () => send({ method: "hand", raised: !room.me?.hand });
  const mute = (participant: string, source: Source) => send({ method: "mute", participant, source });

  return { send, toggleMic, toggleCam, toggleScreen, toggleHand, mute };
}
