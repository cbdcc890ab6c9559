// What the page is not for; on the page, in every table and on every picture that it saves.

export const NOTICE = "Research and education only. Not a medical device.";
