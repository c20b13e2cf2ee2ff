// Example sets. Each has an answer that shares few words with its query, and documents that share many.

const library = {
  name: "English",
  lang: "en",
  query: "How do I get into the archive after hours?",
  documents: [
    "The archive was founded in 1921 and holds letters, maps and photographs of the harbour.",
    "How do I get into the habit of reading more? Put the phone away after dinner.",
    "The reading room closes at six. To enter later, ask the night porter at the south gate for a key card; it works until midnight. Bags stay in the lockers.",
    "After hours, the café sells what is left of the cakes at half price.",
    "Members may borrow up to five volumes for three weeks.",
    "Opening hours of the archive: Monday to Friday, nine to six.",
  ],
};

const chinese = {
  name: "中文",
  lang: "zh",
  query: "手机进水了应该怎么办？",
  documents: [
    "这款手机支持防水，深度可达一米。",
    "手机进水的视频在网上很受欢迎，播放量超过一百万。",
    "请立即关机，取出电池和卡。用干布擦干表面，然后放在通风处晾两天。不要用吹风机加热。",
    "手机应该怎么选？看屏幕、电池和价格。",
    "洗衣机进水慢，多半是过滤网堵了。",
    "游泳池每天早上六点开放。",
  ],
};

const crossing = {
  name: "EN ↔ 中文 · عربي",
  lang: "en",
  query: "Why is the sky blue?",
  documents: [
    "Das Meer ist bei Sturm grau und bei Sonne grün.",
    "空气分子散射短波长的光比长波长的多，所以白天我们看到的天空是蓝色的。",
    "تتشتت الموجات القصيرة من ضوء الشمس في الغلاف الجوي، ولهذا تبدو السماء زرقاء.",
    "Синий кит — самое большое животное на Земле.",
    "El azul es el color favorito de mucha gente.",
    "The sky over the harbour was full of kites.",
  ],
};

const products = {
  name: "JSON",
  lang: "en",
  query: "quiet kettle for a small kitchen",
  json: [
    { title: "Thunder 3000", text: "A 3 litre kettle with a whistle that the whole house hears." },
    { title: "Whisper Mini", text: "Boils 0.8 litres with hardly a sound. Its base is no wider than a cup." },
    { title: "Kitchen radio", text: "A small radio for a quiet kitchen." },
    { title: "Steel pot", text: "Four litres, suits all stoves." },
  ],
};

const german = {
  name: "Deutsch",
  lang: "de",
  query: "Wie lange muss ein Ei kochen?",
  documents: [
    "Wie lange ein Huhn lebt, hängt von der Rasse ab.",
    "Sieben Minuten in sprudelndem Wasser, dann kalt abschrecken: So bleibt der Dotter wachsweich.",
    "Ein Ei wiegt etwa sechzig Gramm.",
    "Kochen lernt man am besten in einer kleinen Küche. Man muss nur anfangen.",
    "Das längste Kochbuch der Welt hat 2000 Seiten.",
  ],
};

const arabic = {
  name: "العربية",
  lang: "ar",
  query: "كيف أعتني بنبات الصبار؟",
  documents: [
    "ينمو النخيل في الواحات ويحتاج إلى شمس قوية.",
    "يكفيه القليل من الماء مرة كل أسبوعين. ضعه قرب نافذة مشمسة واستعمل تربة رملية.",
    "كيف أعتني بقطتي؟ قدم لها الماء والطعام كل يوم.",
    "الصبار كلمة لها معان كثيرة في الشعر.",
  ],
};

const japanese = {
  name: "日本語",
  lang: "ja",
  query: "電車に忘れ物をしたらどうすればいいですか",
  documents: [
    "電車は朝七時から八時がいちばん混みます。",
    "まず降りた駅の窓口に、乗った時間と車両を伝えてください。見つかった物は終点の駅で三日間保管されます。",
    "忘れ物をしない人は、前の晩に準備をします。",
    "どうすれば早く寝られますか。寝る前に画面を見ないことです。",
  ],
};

export const samples = [library, chinese, crossing, products, german, arabic, japanese];

/** Return what goes into the field of documents. */
export const sampleText = (sample) => (sample.json ? JSON.stringify(sample.json, null, 1) : sample.documents.join("\n"));
