use memchr::memmem;

/// What kind of device a `User-Agent` names. Several may be true: an Android phone is both
/// `mobile` and `android` (spec §3.6).
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs)]
pub struct Device {
    pub desktop: bool,
    pub mobile: bool,
    pub tablet: bool,
    pub smart_tv: bool,
    pub android: bool,
    pub ios: bool,
}

impl Device {
    /// Reads a `User-Agent`. What nothing is known of counts as a desktop.
    pub fn of(user_agent: &[u8]) -> Device {
        let has = |needle: &str| memmem::find(user_agent, needle.as_bytes()).is_some();
        let any = |needles: &[&str]| needles.iter().any(|needle| has(needle));
        let android = has("Android");
        let ios = any(&["iPhone", "iPad", "iPod"]);
        let smart_tv = any(&[
            "SmartTV",
            "SMART-TV",
            "Smart TV",
            "GoogleTV",
            "Google TV",
            "Apple TV",
            "AppleTV",
            "HbbTV",
            "NetCast",
            "Web0S",
            "WebOS.TV",
            "Tizen TV",
            "Roku",
            "BRAVIA",
            "AFTB",
            "AFTS",
            "AFTM",
            "AFTT",
            "CrKey",
            "Viera",
            "DTV",
            "Android TV",
        ]);
        let tablet = !smart_tv
            && (any(&[
                "iPad", "Tablet", "Kindle", "Silk/", "PlayBook", "Nexus 7", "Nexus 10",
            ]) || (android && !has("Mobile")));
        let mobile = !smart_tv
            && !tablet
            && (any(&[
                "iPhone",
                "iPod",
                "Windows Phone",
                "BlackBerry",
                "BB10",
                "Opera Mini",
                "Opera Mobi",
                "IEMobile",
            ]) || (android && has("Mobile"))
                || has("Mobile Safari"));
        let desktop = !smart_tv && !tablet && !mobile;
        Device {
            desktop,
            mobile,
            tablet,
            smart_tv,
            android,
            ios,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_devices_are_told_apart() {
        let cases = [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120 Safari/537.36",
                "desktop",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148",
                "mobile ios",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) Version/16.0",
                "tablet ios",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) Mobile Safari/537.36",
                "mobile android",
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-X700) Safari/537.36",
                "tablet android",
            ),
            (
                "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) SamsungBrowser",
                "tv",
            ),
            ("curl/8.5.0", "desktop"),
            ("", "desktop"),
        ];
        for (user_agent, want) in cases {
            let device = Device::of(user_agent.as_bytes());
            let got: Vec<&str> = [
                (device.desktop, "desktop"),
                (device.mobile, "mobile"),
                (device.tablet, "tablet"),
                (device.smart_tv, "tv"),
                (device.android, "android"),
                (device.ios, "ios"),
            ]
            .into_iter()
            .filter_map(|(is, name)| is.then_some(name))
            .collect();
            assert_eq!(got.join(" "), want, "{user_agent}");
        }
    }
}
