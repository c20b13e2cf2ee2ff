// Example sets: documents that share words with the query, and one that answers it.

export const samples = [
  {
    name: "English",
    lang: "en",
    query: "How do I get into the archive after hours?",
    documents: [
      "The harbour archive was founded in 1921. It holds letters, maps and photographs.",
      "How do I get into the habit of reading more? Put the phone away after dinner.",
      "Members may borrow up to five volumes for three weeks.",
      "The reading room closes at six. To get into the archive after hours, ask the night porter at the south gate for a key card. It works until midnight. Bags stay in the lockers.",
      "Opening hours: Monday to Friday, nine to six. The archive is closed on public holidays.",
      "After hours, the café sells what is left of the cakes at half price.",
    ],
  },
  {
    name: "中文",
    lang: "zh",
    query: "手机进水了应该怎么办？",
    documents: [
      "这款手机支持防水，深度可达一米。",
      "手机进水的视频在网上很受欢迎，播放量超过一百万。",
      "洗衣机进水慢，多半是过滤网堵了。",
      "别着急。手机进水后应该立即关机，取出电池和卡。用干布擦干表面，在通风处晾两天。不要用吹风机加热。",
      "电视应该怎么选？看屏幕大小和价格。",
      "游泳池每天早上六点开放。",
    ],
  },
  {
    name: "Deutsch",
    lang: "de",
    query: "Wie lange muss ein Ei kochen?",
    documents: [
      "Wie lange ein Huhn lebt, hängt von der Rasse ab.",
      "Kochen lernt man am besten in einer kleinen Küche. Man muss nur anfangen.",
      "Ein Ei wiegt etwa sechzig Gramm.",
      "Ein weiches Ei muss fünf Minuten kochen, ein hartes zehn. Danach wird es kalt abgeschreckt.",
      "Das längste Kochbuch der Welt hat 2000 Seiten.",
    ],
  },
  {
    name: "العربية",
    lang: "ar",
    query: "كيف أعتني بنبات الصبار؟",
    documents: [
      "ينمو النخيل في الواحات ويحتاج إلى شمس قوية.",
      "كيف أطبخ الأرز؟ اغسله ثم ضعه في ماء يغلي.",
      "الصبار كلمة لها معان كثيرة في الشعر.",
      "للعناية بنبات الصبار يكفي القليل من الماء مرة كل أسبوعين. ضعه قرب نافذة مشمسة واستعمل تربة رملية.",
    ],
  },
  {
    name: "日本語",
    lang: "ja",
    query: "電車に忘れ物をしたらどうすればいいですか",
    documents: [
      "電車は朝七時から八時がいちばん混みます。",
      "忘れ物をしない人は、前の晩に準備をします。",
      "電車に忘れ物をしたら、まず降りた駅の窓口に連絡します。乗った時間と車両を伝えてください。見つかった物は終点の駅で三日間保管されます。",
      "どうすれば早く寝られますか。寝る前に画面を見ないことです。",
    ],
  },
  {
    name: "JSON",
    lang: "en",
    query: "quiet kettle for a small kitchen",
    json: [
      { title: "Thunder 3000", text: "A 3 litre kettle. Its whistle is heard in the whole house." },
      { title: "Steel pot", text: "Four litres, suits all stoves." },
      { title: "Kitchen radio", text: "Small, with a clock and two alarms." },
      { title: "Whisper Mini kettle", text: "Boils 0.8 litres and stays quiet. Its base fits a small kitchen. Grey or white." },
    ],
  },
];

/** Return what goes into the field of documents. */
export const sampleText = (sample) => (sample.json ? JSON.stringify(sample.json, null, 1) : sample.documents.join("\n"));
