// The choice of the time zone, for call centres in another one than the browser's.

import { useState } from "preact/hooks";
import { closeDialog, Dialog, openDialog } from "./dialog";
import { t } from "./i18n";
import { takeOwnZone } from "./route";
import { BROWSER_ZONE, chooseZone, chosenZone } from "./zone";

export function openZones(): void {
  openDialog(<Zones />);
}

function Zones() {
  const [name, setName] = useState(chosenZone.get());
  const names = new Set(["UTC", ...Intl.supportedValuesOf("timeZone"), ...(chosenZone.get() ? [chosenZone.get()] : [])]);
  const submit = () => {
    closeDialog();
    chooseZone(name);
    takeOwnZone();
  };
  return (
    <Dialog title={t("timeZone")} submit={t("save")} isOff={false} onSubmit={submit} onClose={closeDialog}>
      <label>
        {t("zoneName")}
        <select value={name} onChange={(event) => setName(event.currentTarget.value)}>
          <option value="">{t("browserZone", { zone: BROWSER_ZONE })}</option>
          {[...names].sort().map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <p class="quiet">{t("zoneHelp")}</p>
    </Dialog>
  );
}
